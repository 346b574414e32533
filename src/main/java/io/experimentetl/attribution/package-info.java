/**
 * Per user: the join with the dimensions, first exposure, crossover, and what waits for a
 * reference. Everything about a user meets in one keyed operator, {@code attribute}; what it
 * decides is decided in plain classes beside it.
 */
package io.experimentetl.attribution;
