"""A report's outputs: Markdown, HTML, figures."""
