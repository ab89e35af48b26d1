"""What a user can do: each command of the command line is one of these functions, and a notebook can call them too."""
