# The front door: make demo, make test.
.DEFAULT_GOAL := help
.PHONY: help setup build test demo dist format lint clean

help: ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: ## install the system packages that a build needs
	@scripts/setup

build: setup ## build the firn binary, optimised
	@swift build -c release --product firn

test: setup ## all tests, against a temporary PostgreSQL
	@scripts/test

demo: setup ## the main job on generated credit-card data
	@scripts/demo

dist: setup ## a tarball and a wheel with the binary, which need no Swift
	@scripts/dist

format: ## lay the code out
	@swift format --in-place --recursive Package.swift Sources Tests migrations examples

lint: ## check the layout
	@swift format lint --strict --recursive Package.swift Sources Tests migrations examples

clean: ## remove what builds and the demo left
	@rm -rf .build .build-static .demo dist
