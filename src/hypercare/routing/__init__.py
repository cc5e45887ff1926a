"""Alert routing: groups, inhibition, silences, mute intervals, repeats; Alertmanager's behaviour on rows and timers."""
