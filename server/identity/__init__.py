"""Who calls, and what they may: tokens, certificates, and the policy of every method."""
