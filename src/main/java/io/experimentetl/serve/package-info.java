/** The HTTP API of the verb {@code serve}: what the operator's verbs do, for programs. */
package io.experimentetl.serve;
