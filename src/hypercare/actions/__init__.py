"""Actions on the platform: asked for by watches, escalations and people; approved, guarded, run once, written down."""
