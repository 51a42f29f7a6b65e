"""From stored samples to what a network sees: crops, scenes, colour, augmentation."""
