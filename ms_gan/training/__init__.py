"""The D step, the G step, and the loop around them; `plan` needs no MindSpore, so nothing is imported here."""
