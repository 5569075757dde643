"""What a trained agent decides with: networks that are stored without their trainer."""
