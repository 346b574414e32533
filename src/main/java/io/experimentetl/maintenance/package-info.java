/** Partitions, retention, and the schedule that runs both. */
package io.experimentetl.maintenance;
