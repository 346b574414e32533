/**
 * PostgreSQL's logical replication protocol, version 1, as the plugin pgoutput writes it: messages,
 * tuples, and the values of their columns. It knows nothing of the job's tables.
 */
package io.experimentetl.postgres.pgoutput;
