/** {@code ./etl chaos}: random faults during writes, with an audit after each. */
package io.experimentetl.chaos;
