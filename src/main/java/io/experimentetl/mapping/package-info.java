/**
 * The source mapping: which tables and columns of the platform give which of our rows. Only this
 * package names the source's own tables and columns; the configuration builds it, and the source's
 * readers, the preflight and the audit read through it. None of it depends on Flink.
 */
package io.experimentetl.mapping;
