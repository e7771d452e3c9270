# The front door: make demo, make test.
.DEFAULT_GOAL := help
.PHONY: help setup build test demo format lint clean

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

format: ## lay the code out
	@swift format --in-place --recursive Package.swift Sources Tests migrations examples

lint: ## check the layout
	@swift format lint --strict --recursive Package.swift Sources Tests migrations examples

clean: ## remove what builds and the demo left
	@rm -rf .build .demo
