# The two commands of the README, and what developers need besides.
.PHONY: demo test generate bench format

demo:
	bin/demo

test:
	bin/test

generate:
	bin/generate

bench:
	bin/setup tests
	.venv/bin/python tests/bench/run.py

format:
	bin/format
