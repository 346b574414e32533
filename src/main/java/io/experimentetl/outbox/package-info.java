/** In parallel to steps 2 to 5: outbox rows go to Kafka and are acknowledged in PostgreSQL. */
package io.experimentetl.outbox;
