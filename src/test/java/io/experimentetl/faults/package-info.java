/** A proxy between a client and its server that fails on request, for tests and the chaos run. */
package io.experimentetl.faults;
