/** {@code ./etl chaos}: random faults under mixed writes, and the audit after each. */
package io.experimentetl.chaos;
