"""Recording a recurring step once and running it again with less Python."""
