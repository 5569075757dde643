"""Training and judgement of the network that restores images of running scans."""
