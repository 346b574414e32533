/**
 * A network that fails on request: the proxy that stands between a client and its server in tests
 * and in the chaos run.
 */
package io.experimentetl.faults;
