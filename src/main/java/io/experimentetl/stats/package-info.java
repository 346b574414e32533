/**
 * Step 3, per (experiment, variant, metric, day): exact daily statistics; per experiment: its
 * health.
 */
package io.experimentetl.stats;
