/** Sessions on PostgreSQL servers, for every step that opens one. */
package io.experimentetl.postgres;
