/**
 * Changes in: PostgreSQL's tables as {@link io.experimentetl.model.Change}s with their position, in
 * commit order, each exactly once.
 */
package io.experimentetl.cdc;
