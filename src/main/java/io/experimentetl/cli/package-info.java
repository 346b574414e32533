/** The command line of the tool: the verbs of all packages below. */
package io.experimentetl.cli;
