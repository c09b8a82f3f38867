"""A command whose options stand once: a second `--optimizer` is refused, where the last would win without a word."""

from __future__ import annotations

import click


class OnceCommand(click.Command):
    """Refuses an option that is given more often than it can count; options declared as `multiple` may repeat."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """As click does it, after a look at what is given twice."""
        given = self.make_parser(context).parse_args(args=list(args))[2]
        for option in dict.fromkeys(given):
            switch = isinstance(option, click.Option) and (option.is_flag or option.count or option.multiple)
            if isinstance(option, click.Option) and not switch and given.count(option) > 1:
                name = max(option.opts, key=len)
                raise click.UsageError(f"{name} is given {given.count(option)} times; give it once", context)
        return super().parse_args(context, args)
