"""How a scalar membership score is calibrated for how hard an image is anyway: one file a method."""
