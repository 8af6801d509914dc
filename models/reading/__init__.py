"""Reading weight files of others: nothing in them is executed."""
