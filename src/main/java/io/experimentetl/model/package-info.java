/** The records that travel between the steps; nothing in them needs Flink. */
package io.experimentetl.model;
