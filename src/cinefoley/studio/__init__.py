"""What happens at one desk of the studio: a film, its shots, takes, choices, and what is taken home."""
