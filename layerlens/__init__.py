"""layerlens: shapes, parameters and honest verdicts for Keras layers."""
