#!/bin/sh
# Creates both roles and the database, as docs/operating.md describes.
set -eu

psql --set=ON_ERROR_STOP=1 --set=owner_password="$AFFILIA_OWNER_PASSWORD" --set=password="$AFFILIA_PASSWORD" \
    --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
CREATE ROLE affilia_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE affilia LOGIN PASSWORD :'password';
CREATE DATABASE affilia OWNER affilia_owner ENCODING 'UTF8' TEMPLATE template0;
SQL
