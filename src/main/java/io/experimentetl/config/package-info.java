/**
 * Before the journey: the configuration, read from one YAML file and validated as a whole before
 * anything connects. Each record reads its own section, with its keys, bounds and defaults in one
 * place.
 */
package io.experimentetl.config;
