"""What several features say or ask about the same thing, in the same words: any feature and any job may use it."""
