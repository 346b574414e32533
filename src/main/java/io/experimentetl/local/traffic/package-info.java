/**
 * Traffic for the one-machine platform: a seeded generator with the faults that real platforms
 * show, and the replay of real A/B tests.
 */
package io.experimentetl.local.traffic;
