"""Time explaining and scoring a suite with one job and with several."""
