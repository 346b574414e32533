/**
 * Traffic of an experimentation platform, written into its PostgreSQL tables: a seeded generator
 * with every fault that real platforms show, and the replay of a real A/B test.
 */
package io.experimentetl.local.traffic;
