/**
 * Step 1, changes in: PostgreSQL or Debezium's topics become {@link io.experimentetl.model.Change}
 * records with their source position, in commit order, each exactly once.
 */
package io.experimentetl.cdc;
