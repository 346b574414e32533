/**
 * Before the journey: the configuration, read from one YAML file and validated as a whole before
 * anything connects.
 */
package io.experimentetl.config;
