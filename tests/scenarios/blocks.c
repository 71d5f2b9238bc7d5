// SPDX-License-Identifier: MIT
/* See blocks.h. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "blocks.h"
#include "harness.h"

#define BLOCKS "/sys/devices/system/memory"

unsigned int blocks_online(void)
{
	DIR *dir = opendir(BLOCKS);
	unsigned int online = 0;
	struct dirent *entry;
	char path[300], state[16];
	FILE *file;

	CHECK(dir);
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), BLOCKS "/%s/state", entry->d_name);
		file = strncmp(entry->d_name, "memory", 6) ? NULL : fopen(path, "re");
		if (!file)
			continue;
		CHECK(fgets(state, sizeof(state), file));
		online += !strcmp(state, "online\n");
		fclose(file);
	}
	closedir(dir);
	return online;
}

unsigned long block_mb(void)
{
	char text[32];
	FILE *file = fopen(BLOCKS "/block_size_bytes", "re");

	CHECK(file && fgets(text, sizeof(text), file));
	fclose(file);
	return strtoul(text, NULL, 16) >> 20;
}

void blocks_look(bool online[BLOCKS_MAX])
{
	char path[64], state[16];

	for (unsigned int i = 0; i < BLOCKS_MAX; i++) {
		FILE *file;

		snprintf(path, sizeof(path), BLOCKS "/memory%u/state", i);
		file = fopen(path, "re");
		online[i] = file && fgets(state, sizeof(state), file) &&
			    !strcmp(state, "online\n");
		if (file)
			fclose(file);
	}
}

void blocks_known_by(uint64_t id[BLOCKS_MAX])
{
	struct stat folder;
	char path[64];

	/* sysfs numbers its files one after the other as they are made. */
	for (unsigned int i = 0; i < BLOCKS_MAX; i++) {
		snprintf(path, sizeof(path), BLOCKS "/memory%u", i);
		id[i] = stat(path, &folder) ? 0 : folder.st_ino;
	}
}
