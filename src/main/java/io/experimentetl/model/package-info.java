/** The records that travel between the steps. None of them depends on Flink. */
package io.experimentetl.model;
