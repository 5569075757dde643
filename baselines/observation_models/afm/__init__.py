"""Training and judgement of the network that restores heights from lines of a force microscope."""
