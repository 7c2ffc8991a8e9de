"""What scripts did to a message, brought into what is stored of it."""
