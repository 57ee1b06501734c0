"""What every step needs around its work; decides no number."""
