"""Look at pairs before anything is made of them: what is wrong with them, and how the two cameras lie on each other."""
