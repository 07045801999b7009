"""Web pages of the studio and of studies. The only room that uses web frameworks."""
