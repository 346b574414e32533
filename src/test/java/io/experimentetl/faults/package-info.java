/**
 * A proxy that injects network faults between a client and its server, for tests and the chaos run.
 */
package io.experimentetl.faults;
