# mlpipe, built by PGXS.
#
#   make               the library and the extension's script
#   make install       into the server of PG_CONFIG
#   make demo          everything, from packages to the example's results
#   make test          everything, from packages to the last test; or those that
#                      TESTS names
#   make bench         everything, from packages to the benchmarks' table
#   make installcheck  the SQL and isolation tests, on a running server that has
#                      shared_preload_libraries = 'mlpipe'
#   make indent, make lint
#   make check-compilers, check-cassert, ...   what else is checked: see README.md
#
# PG_CONFIG=... names another server than the pg_config in PATH.
#
# How versions follow each other: the script of a version is assembled from the
# parts in sql/, until it is released.  A released script is never edited
# again: it moves into the tree as it is, the parts go on to the next version,
# and a hand-written sql/mlpipe--1.0--1.1.sql brings older databases there.  A
# test installs the oldest version, updates it and compares the catalog with a
# fresh install of the newest.

EXTENSION = mlpipe
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" mlpipe.control)

MODULE_big = mlpipe
PGFILEDESC = "mlpipe - pipelines inside the database"
SOURCES := $(sort $(wildcard src/*.c src/*/*.c))
INCLUDED := $(sort $(wildcard src/*.h src/*/*.h))
OBJS := $(SOURCES:.c=.o)

# In this order: each part may use what is before it.
SQL_PARTS = tables define run parallel inside reuse trigger watch internals views columns access
SQL_FILES := $(wildcard $(SQL_PARTS:%=sql/%.sql))
SQL_SCRIPT := sql/$(EXTENSION)--$(EXTVERSION).sql
DATA_built = $(SQL_SCRIPT)
DATA = $(wildcard sql/$(EXTENSION)--*--*.sql)

# The server's headers have unused parameters and compare signed with unsigned;
# its idioms leave the rest of a struct zero.
PG_CPPFLAGS = -Isrc
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers

# Bitcode would double the build's time, and nothing here is worth inlining.
override with_llvm = no

# pg_regress looks for tests where its outputs go before it looks in test/, and
# would take sql/define.sql for the test of that name: so that is a folder of
# its own.  Isolation tests keep their outputs beside them.
REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --outputdir=build/regress --load-extension=$(EXTENSION)
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --load-extension=$(EXTENSION)
REGRESS_PREP = build/regress/expected output_iso/expected

# What the build and the tests leave, besides the objects.
EXTRA_CLEAN = build/depend build/server build/test-results build/regress

export PG_CONFIG ?= pg_config
export MAKE
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))

.DEFAULT_GOAL := all

ifneq ($(PGXS),)
include $(PGXS)
else
all install uninstall installcheck:
	@echo 'No PostgreSQL server headers: "$(PG_CONFIG) --pgxs" names none.' >&2
	@echo 'scripts/install-packages installs them, and so do make demo and make test.' >&2
	@exit 1
clean:
	rm -rf $(OBJS) $(DATA_built) mlpipe.so $(EXTRA_CLEAN)
endif

# Objects remember what they were made from: the headers that they include, the
# flags above, and the server that they were built for.
depend = build/depend/$(subst /,-,$(1:.o=.d))
$(OBJS): override CFLAGS += -MMD -MP -MF $(call depend,$@)
$(OBJS): Makefile build/server | build/depend
-include $(foreach object,$(OBJS),$(call depend,$(object)))

SERVER := $(shell $(PG_CONFIG) 2>/dev/null | cksum)
build/server: $(if $(filter-out $(SERVER),$(shell cat build/server 2>/dev/null)),FORCE) | build/depend
	@echo '$(SERVER)' >$@

build/depend:
	@mkdir -p $@

SQL_FORGOTTEN = $(filter-out $(SQL_FILES) sql/$(EXTENSION)--%,$(wildcard sql/*.sql))
$(SQL_SCRIPT): $(SQL_FILES) Makefile mlpipe.control
	$(if $(SQL_FORGOTTEN),$(error SQL_PARTS does not name $(SQL_FORGOTTEN)))
	@{ printf '%s\n' '\echo Use "CREATE EXTENSION $(EXTENSION)" to load this file. \quit'; \
	   cat $(SQL_FILES); } >$@.new
	@mv $@.new $@

build/regress/expected:
	@mkdir -p build/regress
	@ln -s ../../expected $@

output_iso/expected:
	@mkdir -p output_iso
	@ln -s ../test/specs $@

# The packages bring the headers that this file itself needs, hence another make.
demo test bench: packages-build-install
demo:
	@scripts/run-demo
test:
	@scripts/run-tests $(TESTS)
bench:
	@bench/run --short

packages-build-install:
	@scripts/install-packages
	@$(MAKE) --silent $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc)) all
	@scripts/install

check-compilers check-cassert check-sanitizers check-valgrind:
	@scripts/$@

check-versions:
	@scripts/check-versions $(VERSIONS)

check-memory: packages-build-install
	@bench/run memory

indent:
	clang-format -i $(SOURCES) $(INCLUDED)

lint:
	@scripts/lint $(SOURCES) $(INCLUDED)

.PHONY: demo test bench packages-build-install check-compilers check-cassert check-sanitizers check-valgrind \
	check-versions check-memory indent lint FORCE
FORCE:
