"""What scripts/gen-protos is made of: compile, then render each file as a module and its stub."""
