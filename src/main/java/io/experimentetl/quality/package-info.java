/**
 * Beside steps 1 to 3: the checks of rows as plain functions, and the reporter of findings that all
 * operators share. A finding, its codes and its subjects are records that travel, and so are in
 * {@link io.experimentetl.model}.
 */
package io.experimentetl.quality;
