/**
 * Step 4, ClickHouse rows: our records become rows of the warehouse's tables, and are read back
 * from them.
 */
package io.experimentetl.warehouse;
