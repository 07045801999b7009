"""Pages: thin views over the rooms below. The only room that knows web frameworks."""
