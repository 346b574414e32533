/** The records that travel: no logic that needs Flink. */
package io.experimentetl.model;
