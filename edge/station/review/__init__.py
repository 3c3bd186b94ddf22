"""What waits for a person, and what they decide: the open list, settlements, make-up entries (补录). Pure."""
