/** {@code ./etl chaos}: random faults while writers write, and the audit after each. */
package io.experimentetl.chaos;
